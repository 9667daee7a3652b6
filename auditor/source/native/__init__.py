"""The influence of the token being scored in C, C++ and CUDA."""
