"""How requests come in: the HTTP server, who signed a request and whether rightly, AWS's wire protocols, API rates,
the record of calls, and the control API. What a call does belongs to its service's package."""
