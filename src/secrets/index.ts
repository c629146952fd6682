export { createSecretUses, type SecretUse, type SecretUses } from './secret-use.ts'
export {
  createSecrets,
  foundCategory,
  type FoundSecret,
  maskedValue,
  noKeeper,
  type Origin,
  type SecretKeeper,
  type SecretPolicy,
  type Secrets,
} from './secrets.ts'
export { minSecretCharacters } from './limits.ts'
export { createVaultReader, vaultThrough } from './vault-values.ts'
