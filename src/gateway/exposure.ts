/**
 * How the gateway is reached from other machines. On loopback it speaks plain HTTP. Any other address needs TLS: by the files of
 * `gateway.tls_cert` and `gateway.tls_key`, or by a proxy in front, whose address is `gateway.public_url`. Keys never cross a network in
 * clear unless a person says so (`gateway.allow_plain`). Loaded only where one of these is configured.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { OxbowError } from '../base/index.ts'
import type { Config } from '../config/index.ts'

export interface Tls {
  readonly cert: string
  readonly key: string
}

type Exposed = Pick<Config['gateway'], 'host' | 'tls_cert' | 'tls_key' | 'public_url' | 'allow_plain'>

/** @throws OxbowError `bad_config` that says what to set */
export function readExposure({ host, tls_cert, tls_key, public_url, allow_plain }: Exposed, isLocal: boolean): Tls | null {
  if (public_url !== '') checkPublicUrl(public_url)
  if ((tls_cert === '') !== (tls_key === '')) throw bad('gateway.tls_cert and gateway.tls_key belong together.', 'Set both, or neither.')
  if (tls_cert !== '') return readTls(tls_cert, tls_key)
  if (isLocal || public_url !== '' || allow_plain) return null
  throw bad(
    `gateway.host = ${JSON.stringify(host)} would send keys over the network in clear.`,
    'Set gateway.tls_cert and gateway.tls_key; or gateway.public_url, if a proxy with TLS is in front; or gateway.allow_plain = true, if you trust everybody on this network.',
  )
}

function checkPublicUrl(text: string): void {
  const url = URL.canParse(text) ? new URL(text) : null
  const isOrigin = url !== null && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === ''
  if (isOrigin && (url.protocol === 'https:' || url.protocol === 'http:')) return
  throw bad(`gateway.public_url is ${JSON.stringify(text)}.`, 'Set the origin that people open, such as https://oxbow.example.com.')
}

function readTls(certPath: string, keyPath: string): Tls {
  const [cert, key] = [readText('tls_cert', certPath), readText('tls_key', keyPath)]
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(cert)
  } catch (error) {
    throw bad(`gateway.tls_cert: ${certPath} is not a PEM certificate.`, 'Name the file of the certificate with its chain.', error)
  }
  try {
    if (!certificate.checkPrivateKey(createPrivateKey(key))) throw new Error('another key')
  } catch (error) {
    throw bad(`gateway.tls_key: ${keyPath} is not the private key of the certificate.`, 'Name the key, in PEM, without a password.', error)
  }
  if (new Date(certificate.validTo) < new Date())
    throw bad(`The certificate ${certPath} ended on ${certificate.validTo}.`, 'Renew it, then restart the guest.')
  return { cert, key }
}

function readText(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw bad(
      `gateway.${name}: ${path} cannot be read (${String((error as NodeJS.ErrnoException).code)}).`,
      'Name a file that the guest may read.',
      error,
    )
  }
}

function bad(message: string, hint: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', message, { hint, cause })
}
