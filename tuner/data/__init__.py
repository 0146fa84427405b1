"""Reading data, dividing it into splits, and turning texts into token numbers."""
