"""tolerance"""
