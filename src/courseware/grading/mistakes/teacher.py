"""Mistakes planted into the lab on distillation."""

from courseware.grading.mistakes import Mistake

MISTAKES = [
    Mistake(
        ("soft_targets",),
        "    scaled = logits / temperature\n",
        "    scaled = logits * temperature\n",
        "sharpens where it should soften",
    ),
    Mistake(
        ("soft_targets",),
        "powers = (scaled - scaled.amax(dim=1, keepdim=True)).exp()",
        "powers = scaled.exp()",
        "lets the exponential overflow",
    ),
    Mistake(
        ("soft_targets",),
        "return powers / powers.sum(dim=1, keepdim=True)",
        "return powers / powers.sum(dim=0, keepdim=True)",
        "adds up over the images, not over the classes",
    ),
    Mistake(
        ("distillation_loss",),
        "soft = (teacher.exp() * (teacher - student)).sum(dim=1).mean()",
        "soft = (teacher.exp() * (teacher - student)).mean()",
        "takes the mean over the classes too",
    ),
    Mistake(
        ("distillation_loss",),
        "soft = (teacher.exp() * (teacher - student)).sum(dim=1).mean()",
        "soft = (student.exp() * (student - teacher)).sum(dim=1).mean()",
        "takes the divergence the other way round",
    ),
    Mistake(
        ("distillation_loss",),
        "return alpha * temperature**2 * soft + (1 - alpha) * hard",
        "return alpha * soft + (1 - alpha) * hard",
        "forgets the square of the temperature",
    ),
    Mistake(
        ("distillation_loss",),
        "hard = F.cross_entropy(student_logits, labels)",
        "hard = F.cross_entropy(student_logits / temperature, labels)",
        "softens the student for the labels too",
    ),
    Mistake(
        ("soft_gradient",),
        "return temperature * (q - p) / len(student_logits)",
        "return (q - p) / len(student_logits)",
        "loses a power of the temperature",
    ),
    Mistake(
        ("soft_gradient",),
        "return temperature * (q - p) / len(student_logits)",
        "return temperature * (q - p)",
        "forgets that the loss is a mean over the images",
    ),
    Mistake(
        ("ensemble_targets",),
        "        return logits.softmax(dim=2).mean(dim=0)\n",
        "        return logits.mean(dim=0).softmax(dim=1)\n",
        "averages the logits, which is the geometric mean",
    ),
    Mistake(
        ("ensemble_targets",),
        "    return logits.log_softmax(dim=2).mean(dim=0).softmax(dim=1)",
        "    return logits.log_softmax(dim=2).mean(dim=0).exp()",
        "does not divide the geometric mean by its sum",
    ),
    Mistake(
        ("dark_knowledge",),
        "        row[c] = 0\n        table[c] = row / row.sum()",
        "        table[c] = row / row.sum()\n        table[c, c] = 0",
        "divides before the own class is taken out",
    ),
    Mistake(
        ("dark_knowledge",),
        "    for c in labels.unique().tolist():\n        row = probabilities[labels == c].mean(dim=0)",
        "    for c in range(classes):\n        row = probabilities[labels == c].mean(dim=0)",
        "averages over no image at all",
    ),
    Mistake(
        ("Frozen",),
        "        self.teacher.eval()\n        return self.teacher(x)",
        "        return self.teacher(x)",
        "leaves the teacher in whatever mode it was put",
    ),
    Mistake(
        ("Student",),
        "for width in (8, 16, 32):",
        "for width in (32, 64, 128):",
        "spends more parameters than there are",
    ),
    Mistake(
        ("Student",),
        "        channels = in_channels\n",
        "        channels = 1\n",
        "forgets that images may have colours",
    ),
]
