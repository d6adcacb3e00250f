"""How requests come in: the HTTP server, who signed a request and whether rightly, API rates, the record of calls, and
the two endpoints beside AWS's API: the control API and instance metadata. What a call does belongs to its service's
package."""
