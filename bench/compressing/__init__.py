"""What the compression bench works on: Fashion-MNIST, a small ResNet, and how it is trained.

Law: nothing in the product imports this folder. Data is Debian's; models are trained here and kept outside git.
"""
