def tables(lab, port, size):
    return {}
def many_tunnels(lab, count):
    return {}
