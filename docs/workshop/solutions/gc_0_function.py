"""GC content: how much of a DNA sequence is G or C."""


def gc_content(sequence):
    sequence = sequence.upper()
    return round(100 * (sequence.count("G") + sequence.count("C")) / len(sequence), 2)
