"""Make an RDKit molecule from SMILES or an SDF's record, and say what its numbers would hide."""

import contextlib
import io
import re
import unicodedata

from rdkit import Chem, rdBase

LONGEST, ATOMS, RINGS = 500, 300, 40  # letters of SMILES; with more, RDKit is slow
LIMITS = f"SMILES may have {LONGEST} letters; molecules {ATOMS} atoms and {RINGS} rings."
BOND = re.compile(
    r"(?m)^(?:M  V30 +\d+ +\d+ +(\d+) +(\d+)|([ \d]{3})([ \d]{3})[ \d]{3})"
)  # in an SDF
HINTS = {
    "AtomValenceException": "has too many bonds; is a charge missing?",
    "KekulizeException": "is in a ring that can't be aromatic as written; is an [nH] missing?",
    "AtomKekulizeException": "is written as aromatic, but not in a ring",
}
# brackets in an SDF around a unit that is there n times
POLYMERS = {"SRU", "MON", "MER", "COP", "CRO", "MOD", "GRA"}
REASON = (
    r"Error: (.+?) (?:while|for)|(Element '.{1,9}' not found|(?!Viol)[A-Z][^:\n]* on line ?\d+)"
)


def make_molecule(text):
    """Return an RDKit molecule. Raises ValueError with the reason if there is none.

    It is read without RDKit's checks first, to name the atom that is wrong, and to save the time
    that they would take for what is too large.
    """
    parse = Chem.MolFromMolBlock if "\n" in text else Chem.MolFromSmiles
    if "\n" not in text and not 0 < len(text) <= LONGEST:
        raise ValueError(f"SMILES must have 1 to {LONGEST} letters")
    if "\n" not in text and (other := re.search(r"[^\x00-\x7f]", text)):
        # at the end, RDKit would leave it out
        what = unicodedata.name(other[0], "unusual")
        raise ValueError(f"letter {other.start() + 1} is {what}; type it again")
    bonds = BOND.findall(text.partition("M  END")[0].replace("-\nM  V30 ", ""))
    if len(bonds) - len({atom for bond in bonds for atom in bond}) > RINGS:
        raise ValueError(f"more than {RINGS} rings")  # even reading these takes RDKit very long
    rdBase.LogToPythonStderr()
    with contextlib.redirect_stderr(io.StringIO()) as said:
        raw = parse(text, sanitize=False)
        problem = find_problem(raw) if raw else explain(said.getvalue())
        molecule = None if problem else parse(text)
    if not molecule:
        raise ValueError(problem or explain(said.getvalue()))
    return molecule


def explain(said):
    """Return why a text can't be read, from what RDKit wrote."""
    said = said[:5_000]  # it may hold a whole file
    reason, place = re.search(REASON, said), re.search(r"position (\d+)", said)
    reason = (reason[1] or f"damaged: {reason[2]}") if reason else "damaged"
    return f"{reason} at letter {place[1]}" if place else reason


def find_problem(raw):
    """Return what is wrong with a molecule that was read without checks, or None."""
    atoms, bonds = [*raw.GetAtoms()], [*raw.GetBonds()]
    if not 0 < len(atoms) <= ATOMS:
        return f"{len(atoms):,} atoms; there may be 1 to {ATOMS}"
    if len(bonds) - len(atoms) + len(Chem.GetMolFrags(raw)) > RINGS:
        return f"more than {RINGS} rings"
    vague = [bond.GetBondType() == Chem.BondType.UNSPECIFIED or bond.HasQuery() for bond in bonds]
    vague += [atom.HasQuery() or not atom.GetAtomicNum() for atom in atoms]
    if any([*vague, *(atom.HasProp("molAttchpt") for atom in atoms)]):
        return "has a placeholder, such as * or R, which has no properties"
    if POLYMERS & {group.GetProp("TYPE") for group in Chem.GetMolSubstanceGroups(raw)}:
        return "is a polymer, whose size is not known"
    for problem in Chem.DetectChemistryProblems(raw):
        ring = problem.GetType() == "KekulizeException"
        atom = atoms[problem.GetAtomIndices()[0] if ring else problem.GetAtomIdx()]
        return f"atom {atom.GetIdx() + 1} ({atom.GetSymbol()}) {HINTS[problem.GetType()]}"
    return None


def describe(molecule):
    """Return what somebody who sees a molecule's numbers should know about it."""
    atoms, parts = [*molecule.GetAtoms()], len(Chem.GetMolFrags(molecule))
    notes = [f"{parts} parts (a salt or a mixture), taken together"] if parts > 1 else []
    stereo = [*Chem.FindPotentialStereo(molecule)]
    for kind, what in (("Atom_Tetrahedral", "stereocentres"), ("Bond_Double", "double bonds")):
        vague = [str(each.specified) != "Specified" for each in stereo if str(each.type) == kind]
        notes += [f"{sum(vague)} of {len(vague)} {what} not specified"] if any(vague) else []
    groups = {str(group.GetGroupType()) for group in molecule.GetStereoGroups()}
    notes += ["racemic or relative stereocentres"] if groups - {"STEREO_ABSOLUTE"} else []
    charge = Chem.GetFormalCharge(molecule)
    notes += [f"charge {charge:+}"] if charge else []
    notes += ["isotopes"] if any(atom.GetIsotope() for atom in atoms) else []
    notes += ["unpaired electrons"] if any(atom.GetNumRadicalElectrons() for atom in atoms) else []
    return "; ".join(notes)
