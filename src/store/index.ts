import type { BucketPlace, FilesPlace } from './files/files-place.ts'
import type { KeptFiles } from './files/kept-files.ts'
export { createHasher, erasedBody, type Hasher, type Holds, parseErased, parseReference, recordHash, recordHolds } from './chain.ts'
/** Loaded by `oxbow cluster verify` alone. */
export const loadStoredLeases = (): Promise<typeof import('./postgres/cluster/cluster-leases.ts')> =>
  import('./postgres/cluster/cluster-leases.ts')
export type { StoredLease } from './postgres/cluster/cluster-leases.ts'
export { openMemoryStore, cipherChoice, openStore, shownStore, storeAddress } from './open-store.ts'
export type { ClusterAlarms } from './postgres/cluster/cluster-alarms.ts'
export type { SealedKeys } from './postgres/cluster/cluster-keys.ts'
/** Loaded on the nodes of a cluster alone. */
export const loadSealedKeys = (): Promise<typeof import('./postgres/cluster/cluster-keys.ts')> =>
  import('./postgres/cluster/cluster-keys.ts')
/** Loaded by the nodes of a cluster alone. */
export const loadAlarms = (): Promise<typeof import('./postgres/cluster/cluster-alarms.ts')> =>
  import('./postgres/cluster/cluster-alarms.ts')
export { openPostgresStore } from './postgres/postgres-store.ts'
export type { ServerReader } from './postgres/cluster/server-reader.ts'
/** Loaded by nodes of a cluster alone. */
export const loadServerReader = (): Promise<typeof import('./postgres/cluster/server-reader.ts')> =>
  import('./postgres/cluster/server-reader.ts')
export { type BucketPlace, bucketOf, type FilesPlace } from './files/files-place.ts'
/** Loaded where a person asks whether a bucket works. */
export const tryBucket = async (place: BucketPlace): Promise<void> => (await import('./files/bucket.ts')).tryBucket(place)
export type { KeptFiles, KeptKind, NewestFiles, NewPack } from './files/kept-files.ts'
/** Loaded in the thread of the versions, in a cluster. */
export const openKeptFiles = async (place: FilesPlace): Promise<KeptFiles> => (await import('./files/kept-files.ts')).openKeptFiles(place)
export { maxKeptPacks } from './files/limits.ts'
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
export type { GuestSide } from './upkeep/connection.ts'
export { attachMemory, type OpenedMemory } from './memory/memory-source.ts'
export { marksCall, type RowMark } from './memory/memory-marks.ts'
export type * from './memory.ts'
export { personaPrefix } from './memory.ts'
