export { createHasher, erasedBody, type Hasher, type Holds, parseErased, parseReference, recordHash, recordHolds } from './chain.ts'
export { openMemoryStore, cipherChoice, openStore, shownStore, storeAddress } from './open-store.ts'
export { openPostgresStore } from './postgres/postgres-store.ts'
export { foldPhrase, matchPhrases, type PhraseMatch } from './phrase-scan.ts'
export { fileFault } from './store-fault.ts'
export { openSqliteStore } from './sqlite/sqlite-store.ts'
export { rowIn, rowMark } from './sql/journal-rules.ts'
export * from './store.ts'
export {
  answerKeys,
  answerStore,
  /** @public */ openZoeyAdapter,
  openZoeyThread,
  prepareStore,
  sealSecrets,
  storedSecrets,
  zoeyMethods,
} from './upkeep/on-demand.ts'
export { attachMemory, type OpenedMemory } from './memory/memory-source.ts'
export { marksCall, type RowMark } from './memory/memory-marks.ts'
export type * from './memory.ts'
export { personaPrefix } from './memory.ts'
