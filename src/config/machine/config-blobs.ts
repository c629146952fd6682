/** The part of the configuration that is about large contents of a cluster: a bucket that speaks the protocol of S3. */
import { z } from 'zod'

const variable = z.string().regex(/^[A-Za-z_]\w{0,99}$/, 'must be the name of a variable')

export const blobsConfig = z
  .strictObject({
    bucket: z
      .string()
      .max(255)
      .default('')
      .describe('Bucket that keeps contents of files above 1 MiB. Empty: PostgreSQL keeps them. All nodes of a cluster use the same.'),
    endpoint: z.string().max(2_000).default('').describe('Address of an S3-compatible server. Empty: the one of AWS for the region.'),
    region: z.string().min(1).max(100).default('us-east-1'),
    prefix: z.string().max(200).default('oxbow/').describe('What the names of all objects begin with.'),
    key_env: variable.default('OXBOW_BLOBS_KEY').describe('Variable or stored secret with the id of the access key.'),
    secret_env: variable.default('OXBOW_BLOBS_SECRET').describe('Variable or stored secret with the secret access key.'),
  })
  .prefault({})
