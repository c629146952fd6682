/** Where a guest of a cluster keeps its files: the database, and the bucket that the configuration and the environment of its node name. */
import { OxbowError, ownValue, type UserId } from '../../base/index.ts'
import type { ClusterConfig, GuestLease } from '../../config/index.ts'

/** Plain data, to be handed to a thread. */
export interface FilesPlace {
  /** As people give it; may hold a password. */
  readonly address: string
  readonly user: UserId
  /** Role that its connection works as; empty: the one of the address. */
  readonly role: string
  readonly lease: GuestLease
  /** Null: the database keeps large contents, too. */
  readonly bucket: BucketPlace | null
}

export interface BucketPlace {
  readonly bucket: string
  /** Empty: the one of AWS. */
  readonly endpoint: string
  readonly region: string
  /** What the names of all objects begin with. */
  readonly prefix: string
  readonly key: string
  readonly secret: string
}

/** @returns null where the database keeps them, too. @throws OxbowError `bad_config` for a bucket without its keys */
export function bucketOf(blobs: ClusterConfig['blobs'], environment: Readonly<Record<string, string | undefined>>): BucketPlace | null {
  const { bucket, endpoint, region, prefix, key_env: keyEnv, secret_env: secretEnv } = blobs
  if (bucket === '') return null
  const [key, secret] = [keyEnv, secretEnv].map((name) => ownValue(environment, name)?.trim() ?? '')
  if (key && secret) return { bucket, endpoint, region, prefix, key, secret }
  throw new OxbowError('bad_config', `The bucket ${bucket} of cluster.blobs needs the variables ${keyEnv} and ${secretEnv}.`, {
    hint: 'Set them on each node, where `oxbow cluster join` runs, or store them there as secrets.',
  })
}
