"""WHO COMES, AND WHAT DO THEY SEE? Open-loop load in a process of its own, and the count of what came back."""
