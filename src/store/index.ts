export {
  createHasher,
  erasedBody,
  firstFormatHash,
  type Hasher,
  type Holds,
  parseErased,
  parseReference,
  recordHash,
  recordHolds,
} from './chain.ts'
export { openMemoryStore } from './in-memory-store.ts'
export { openPostgresStore } from './postgres/postgres-store.ts'
export { answerKeys, loadCipher, openZoeyAdapter, storedSecrets } from './secrets/keys-door.ts'
export { cipherChoice, openStore, shownStore, storeAddress } from './open-store.ts'
export { foldPhrase, matchPhrases, type PhraseMatch } from './scan/phrase-match.ts'
export { openSqliteStore } from './sqlite/sqlite-store.ts'
export * from './store.ts'
export { answerStore, type StorePlace, type UpkeepDeps } from './upkeep/answer-store.ts'
export type * from './memory.ts'
