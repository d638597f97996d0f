"""The experiment: who is trained, how, what is changed, what is measured. Imports every other package of ours."""
