/** A bucket of an S3-compatible server, over the official client, which is loaded with the first request. */
import { errorMessage, OxbowError } from '../../base/index.ts'
import type { BucketPlace } from './files-place.ts'
import { bucketTimeoutMs, bucketTries, partBytes } from './limits.ts'

export interface Bucket {
  /** Durable when it resolves. */
  put(name: string, content: Uint8Array): Promise<void>
  /** @returns null if there is no such object */
  get(name: string): Promise<Uint8Array | null>
  /** Names that begin with a text. */
  list(start: string): Promise<readonly string[]>
  remove(names: readonly string[]): Promise<void>
}

export async function openBucket({ bucket, endpoint, region, prefix, key, secret }: BucketPlace): Promise<Bucket> {
  const s3 = await import('@aws-sdk/client-s3')
  const client = new s3.S3Client({
    region,
    credentials: { accessKeyId: key, secretAccessKey: secret },
    // Only what is configured counts, not what a machine has for other programs.
    ignoreConfiguredEndpointUrls: true,
    ...(endpoint !== '' && { endpoint, forcePathStyle: true }),
    maxAttempts: bucketTries,
    requestHandler: { requestTimeout: bucketTimeoutMs, connectionTimeout: bucketTimeoutMs },
    // Servers other than the one of AWS refuse its trailing checksums; the signature covers the content.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  })
  const asked = async <Answer>(what: string, answer: Promise<Answer>): Promise<Answer> =>
    answer.catch((error: unknown) => {
      throw new OxbowError('store_failed', `The bucket ${bucket} does not ${what}: ${errorMessage(error).slice(0, 200)}`, {
        hint: 'Check cluster.blobs: address, bucket, region, and the variables with the keys. oxbow cluster doctor tries it.',
        cause: error,
      })
    })
  return {
    async put(name, content) {
      await asked('take a content', client.send(new s3.PutObjectCommand({ Bucket: bucket, Key: prefix + name, Body: content })))
    },
    async get(name) {
      const read = async (): Promise<Uint8Array | null> => {
        try {
          const { Body: body, ContentLength: bytes = Infinity } = await client.send(
            new s3.GetObjectCommand({ Bucket: bucket, Key: prefix + name }),
          )
          // It is held in memory, and somebody else may have put it there.
          if (bytes > partBytes) throw new Error(`${name} is larger than what was put there`)
          return (await body?.transformToByteArray()) ?? null
        } catch (error) {
          if (error instanceof s3.NoSuchKey) return null
          throw error
        }
      }
      return asked('give a content', read())
    },
    async list(start) {
      const names: string[] = []
      for (let token: string | undefined; ;) {
        const request = new s3.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix + start, ContinuationToken: token })
        const page = await asked('list its contents', client.send(request))
        for (const { Key: name = '' } of page.Contents ?? []) names.push(name.slice(prefix.length))
        token = page.NextContinuationToken
        if (token === undefined) return names
      }
    },
    async remove(names) {
      for (const name of names)
        await asked('remove a content', client.send(new s3.DeleteObjectCommand({ Bucket: bucket, Key: prefix + name })))
    },
  }
}

/** Writes, reads and removes an object. @throws OxbowError with what does not work */
export async function tryBucket(place: BucketPlace): Promise<void> {
  const bucket = await openBucket(place)
  const [name, content] = [`doctor/${crypto.randomUUID()}`, crypto.getRandomValues(new Uint8Array(64))]
  await bucket.put(name, content)
  const back = await bucket.get(name)
  const isListed = (await bucket.list('doctor/')).includes(name)
  await bucket.remove([name])
  if (back !== null && isListed && Buffer.compare(back, content) === 0) return
  throw new OxbowError('store_failed', `The bucket ${place.bucket} does not give back what it has taken.`, {
    hint: 'Use a server whose reads and lists show each write at once.',
  })
}
