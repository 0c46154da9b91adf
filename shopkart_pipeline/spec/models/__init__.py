"""The declaration as people write it: every key with its type, its range and what it means.

Every key may be left out here; what a service lacks comes from `defaults`, then from `shipped.yaml`. What has to be
said and is said nowhere is found when a service is compiled, as is all that needs more than one key to judge.
"""
