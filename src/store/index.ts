export { canonicalText, createHasher, parseReference, type BlobReference, type Hasher } from './chain.ts'
export { openMemoryStore, type MemoryOptions } from './memory-store.ts'
export { openSqliteStore, type SqliteOptions } from './sqlite/sqlite-store.ts'
export * from './store.ts'
