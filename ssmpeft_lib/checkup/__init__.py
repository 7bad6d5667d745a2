"""The doctor: does every tensor of an adapter train, and does the model compute the same on every path?"""
