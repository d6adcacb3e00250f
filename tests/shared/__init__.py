"""What tests of several parts use: waiting, free ports, the cluster's tables on an emulated AWS.

Fakes and examples of one part stay in that part's folder.
"""
