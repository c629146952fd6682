/** Limits of the files of a cluster in the store, each with its reason. */

/** Contents above this go to a bucket where there is one: smaller ones are cheaper as rows, which commit with what names them. */
export const minBucketBytes: number = 1024 * 1024
/** One row or object: what is held in memory at once, and sent again after a lost connection. */
export const partBytes: number = 4 * 1024 * 1024
/** Bytes of packs that are read from the database in one answer. */
export const readAtOnceBytes: number = 8 * 1024 * 1024
/** How long a change of files waits for a database server or a bucket that is gone: as long as writes of the journal do. */
export const filesPatienceMs = 15_000
/** One request to the bucket: a part takes a second on a slow line. */
export const bucketTimeoutMs = 30_000
/** How often one request to the bucket is tried. */
export const bucketTries = 4
/** More packs of a user are joined: a node that takes over reads each. */
export const maxKeptPacks = 200
