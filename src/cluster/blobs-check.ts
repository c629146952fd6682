/** Whether the bucket of large contents works from this machine, for `oxbow cluster doctor`; nothing is loaded where there is none. */
import { errorMessage, isOxbowError } from '../base/index.ts'
import type { ClusterConfig } from '../config/index.ts'
import { bucketOf, tryBucket } from '../store/index.ts'

interface BlobsCheck {
  readonly check: 'blobs'
  readonly ok: boolean
  readonly detail: string
  readonly hint: string
}

/** Writes, reads and removes an object. @param environment of the node @returns null where the database keeps large contents. Never throws. */
export async function checkBlobs(
  { blobs }: Pick<ClusterConfig, 'blobs'>,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<BlobsCheck | null> {
  try {
    const place = bucketOf(blobs, environment)
    if (place === null) return null
    await tryBucket(place)
    const detail = `the bucket ${blobs.bucket} at ${URL.parse(blobs.endpoint)?.host ?? blobs.region} takes and gives contents`
    return { check: 'blobs', ok: true, detail, hint: '' }
  } catch (error) {
    return { check: 'blobs', ok: false, detail: errorMessage(error), hint: isOxbowError(error) ? error.hint : '' }
  }
}
