/**
 * A bucket in this process that speaks as much of S3 as we use, for tests. It checks each signature (AWS Signature Version 4, over headers and
 * content) by its own reckoning, and refuses what does not fit.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { BucketPlace } from './files-place.ts'

interface TestBucket extends AsyncDisposable {
  readonly place: BucketPlace
  readonly objects: Map<string, Buffer>
  /** Requests that were refused, and why. */
  readonly refused: readonly string[]
  /** Answers with an error to each request that this fits; null: to none. */
  fails: ((method: string, key: string) => boolean) | null
}

const access = { key: 'test-key', secret: 'test/secret+of=the bucket', region: 'eu-test-1' }

export async function startBucket(): Promise<TestBucket> {
  const objects = new Map<string, Buffer>()
  const refused: string[] = []
  const state: { fails: TestBucket['fails'] } = { fails: null }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const why = wrongSignature(request, body)
      const url = new URL(request.url!, 'http://bucket')
      const key = decodeURIComponent(url.pathname.slice('/files/'.length))
      if (why !== null) {
        refused.push(`${request.method} ${key}: ${why}`)
        return response.writeHead(403).end(errorOf('SignatureDoesNotMatch'))
      }
      if (state.fails?.(request.method!, key) === true) return response.writeHead(500).end(errorOf('InternalError'))
      if (url.searchParams.get('list-type') === '2') return response.writeHead(200).end(listOf(objects, url))
      if (request.method === 'PUT') {
        objects.set(key, body)
        return response.writeHead(200, { etag: '"x"' }).end()
      }
      if (request.method === 'DELETE') {
        objects.delete(key)
        return response.writeHead(204).end()
      }
      const found = objects.get(key)
      if (found === undefined) return response.writeHead(404).end(errorOf('NoSuchKey'))
      return response.writeHead(200, { 'content-length': found.length }).end(found)
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    place: { bucket: 'files', endpoint, prefix: 'oxbow/', ...access },
    objects,
    refused,
    get fails() {
      return state.fails
    },
    set fails(fails) {
      state.fails = fails
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    },
  }
}

/** Few on one page, so that a list has several. */
const pageKeys = 3

function listOf(objects: ReadonlyMap<string, Buffer>, url: URL): string {
  const prefix = url.searchParams.get('prefix') ?? ''
  const after = url.searchParams.get('continuation-token') ?? ''
  const all = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
  const page = all.slice(0, pageKeys)
  const more = all.length > page.length
  return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${page.map((key) => `<Contents><Key>${key}</Key></Contents>`).join('')}${more ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : ''}</ListBucketResult>`
}

function errorOf(code: string): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
}

/** @returns why a request is not signed as its sender with the secret would; null: it is */
function wrongSignature(request: IncomingMessage, body: Buffer): string | null {
  const match = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/
  const [, key, day = '', region = '', names = '', signature] = match.exec(request.headers.authorization ?? '') ?? []
  if (key !== access.key || region !== access.region) return `it is not of this key and region: ${request.headers.authorization}`
  const hashed = createHash('sha256').update(body).digest('hex')
  if (request.headers['x-amz-content-sha256'] !== hashed) return 'its content is not what was signed'
  if (!names.split(';').includes('x-amz-content-sha256') || !names.split(';').includes('host')) return 'host and content are not signed'
  const [path = '', query = ''] = request.url!.split('?')
  const sorted = query
    .split('&')
    .filter(Boolean)
    .map((part) => (part.includes('=') ? part : `${part}=`))
    .sort()
    .join('&')
  const headers = names
    .split(';')
    .map((name) => `${name}:${String(request.headers[name]).trim()}\n`)
    .join('')
  const canonical = [request.method, path, sorted, headers, names, hashed].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const time = String(request.headers['x-amz-date'])
  const text = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const signing = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
    (secret, part) => createHmac('sha256', secret).update(part).digest(),
    `AWS4${access.secret}`,
  )
  return createHmac('sha256', signing).update(text).digest('hex') === signature ? null : 'its signature does not fit'
}
