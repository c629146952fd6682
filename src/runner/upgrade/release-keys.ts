/**
 * Public keys of those who build Oxbow's packages: a package counts if one of them has signed the list of hashes that names it. A key is
 * replaced by adding the new one, and removing the old one when no version in use was signed with it.
 */
export const releaseKeys: readonly string[] = [
  // Ed25519, as SubjectPublicKeyInfo in base64.
  'MCowBQYDK2VwAyEAzrS9c5luDeSxZfHS/CHSxaTJkDS1Fjs02IH5LFztgZ8=',
]
