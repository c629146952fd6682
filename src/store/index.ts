export { canonicalText, createHasher, parseReference, type Hasher } from './chain.ts'
export { openMemoryStore } from './memory-store.ts'
export { openSqliteStore } from './sqlite/sqlite-store.ts'
export * from './store.ts'
