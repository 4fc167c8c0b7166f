"""How this device becomes one of a coordinator's: what it says to join, what it keeps, when it renews.

Law: knows the wire's introduction and the keyring; decides nothing about requests. The private key is made here and
never leaves; the token's secret is said only to who has shown the authority that the token names.
"""
