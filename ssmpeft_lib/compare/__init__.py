"""What the paper prints beside what came out here: joined points, differences, claims and errata."""
