"""The traffic: requests in, to one instance after another if need be, and answers back."""
