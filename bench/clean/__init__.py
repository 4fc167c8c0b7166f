"""Proofs on clean systems: what a person does who has Debian and nothing of ours.

Law: needs root, debootstrap and systemd-nspawn (`apt-get install debootstrap systemd-container`); what is tried comes
out of this tree as a wheel, everything else from where apt and pip are set to look.
"""
