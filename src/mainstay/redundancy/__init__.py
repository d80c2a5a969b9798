"""redundancy"""
