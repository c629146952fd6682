/** How people reach a door: plain HTTP on this machine alone, else with a certificate that their programs know. */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { errorMessage, OxbowError } from '../../base/index.ts'
import type { ClusterConfig } from '../../config/index.ts'

/** PEM. */
export interface DoorTls {
  readonly cert: string
  readonly key: string
}

/** @returns null for plain HTTP. @throws OxbowError `bad_config` for files that cannot be used, and for keys that would cross a network in clear */
export function readDoorTls({ cert, key, host, url, allow_plain: allowsPlain }: ClusterConfig['door']): DoorTls | null {
  if ((cert === '') !== (key === '')) throw bad('cluster.door.cert and cluster.door.key belong together.', 'Set both, or neither.')
  if (cert !== '') return readPair(cert, key)
  const isLocal = host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
  if (isLocal || allowsPlain || url.startsWith('https:')) return null
  throw bad(
    `cluster.door.host = ${JSON.stringify(host)} would send keys over the network in clear.`,
    'Set cluster.door.cert and cluster.door.key; or cluster.door.url to its https:// address, if a proxy with TLS is in front; or cluster.door.allow_plain = true, if you trust everybody on this network.',
  )
}

function readPair(certFile: string, keyFile: string): DoorTls {
  try {
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
    const certificate = new X509Certificate(cert)
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('the key is of another certificate')
    if (certificate.validToDate < new Date()) throw new Error(`it ended on ${certificate.validTo}`)
    return { cert, key }
  } catch (error) {
    throw bad(
      `The certificate of cluster.door.cert cannot be used: ${errorMessage(error)}.`,
      'Name the files of a certificate with its chain, and of its key without a password, in PEM, which the node may read.',
      error,
    )
  }
}

function bad(message: string, hint: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', message, { hint, cause })
}
