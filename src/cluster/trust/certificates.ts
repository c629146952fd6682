/**
 * The certificates of a cluster: one authority, made by `oxbow cluster init`, and one certificate for each node, whose name is its common name.
 * The library writes X.509; keys and signatures are Node's own, and so is every check.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto'
import { isIP } from 'node:net'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from '@peculiar/asn1-x509'

/** PEM. */
export interface KeyPair {
  readonly publicKey: string
  readonly privateKey: string
}

/** A certificate with its key, PEM. */
export interface Authority {
  readonly cert: string
  readonly key: string
}

const ids = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

/** What a node may be called. */
export const nodeNameForm = /^[a-z0-9][a-z0-9-]{0,39}$/

const dayMs = 86_400_000
/** Nobody replaces it by hand in that time; a cluster that lives longer is made a new one by `oxbow cluster init --renew`. */
const authorityDays = 10 * 365
/** A node asks for its next one in the last third. */
const nodeCertificateDays = 90
/** Clocks of machines differ. */
const earlierMs = 3_600_000

export function makeKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }) as string,
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

export function makeAuthority(now: number): Authority {
  const { publicKey, privateKey } = makeKeyPair()
  const name = `Oxbow cluster ${randomBytes(4).toString('hex')}`
  const cert = write({
    subject: name,
    issuer: name,
    publicKey,
    signer: createPrivateKey(privateKey),
    from: now - earlierMs,
    until: now + authorityDays * dayMs,
    extensions: [
      extension(ids.basicConstraints, true, new BasicConstraints({ cA: true, pathLenConstraint: 0 })),
      extension(ids.keyUsage, true, new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign)),
    ],
  })
  return { cert, key: privateKey }
}

/** What a certificate says of whom it is for. */
export interface Holder {
  /** The common name. */
  readonly name: string
  /** PEM. */
  readonly publicKey: string
  /** Names and addresses by which others reach it, for programs that compare them. */
  readonly hosts?: readonly string[]
  readonly days?: number
}

/** @returns a certificate that the holder shows to both sides, PEM. @throws for a public key that cannot be read */
export function issueCertificate(
  { cert, key }: Authority,
  { name, publicKey, hosts = [], days = nodeCertificateDays }: Holder,
  now: number,
): string {
  const names = hosts.map((host) => new GeneralName(isIP(host) === 0 ? { dNSName: host } : { iPAddress: host }))
  return write({
    subject: name,
    issuer: commonNameOf(new X509Certificate(cert)),
    publicKey,
    signer: createPrivateKey(key),
    from: now - earlierMs,
    until: now + days * dayMs,
    extensions: [
      extension(ids.basicConstraints, true, new BasicConstraints({ cA: false })),
      extension(ids.keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature)),
      extension(ids.extendedKeyUsage, false, new ExtendedKeyUsage([ids.serverAuth, ids.clientAuth])),
      ...(names.length === 0 ? [] : [extension(ids.subjectAltName, false, new SubjectAlternativeName(names))]),
    ],
  })
}

/** @returns the name of the node that holds it; empty: it has none */
export function commonNameOf(certificate: Pick<X509Certificate, 'subject'>): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? ''
}

/** @returns when the authority gave it out, by its clock, in unix milliseconds */
export function issuedAtOf({ validFromDate }: Pick<X509Certificate, 'validFromDate'>): number {
  return validFromDate.getTime() + earlierMs
}

/** By which a token names the authority that a new machine is to trust. */
export function fingerprintOf(cert: string | Uint8Array): string {
  return new X509Certificate(cert).fingerprint256.replaceAll(':', '').toLowerCase()
}

interface Written {
  readonly subject: string
  readonly issuer: string
  readonly publicKey: string
  readonly signer: KeyObject
  readonly from: number
  readonly until: number
  readonly extensions: readonly Extension[]
}

function write({ subject, issuer, publicKey, signer, from, until, extensions }: Written): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ids.ecdsaWithSha256 })
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const signersKey = createPublicKey(signer).export({ type: 'spki', format: 'der' })
  const serial = randomBytes(16)
  // A number above zero, without a byte too many.
  serial[0] = (serial[0]! & 0x3f) | 0x40
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bytesOf(serial),
    signature: signatureAlgorithm,
    issuer: nameOf(issuer),
    validity: new Validity({ notBefore: new Date(from), notAfter: new Date(until) }),
    subject: nameOf(subject),
    subjectPublicKeyInfo: AsnConvert.parse(bytesOf(spki), SubjectPublicKeyInfo),
    extensions: new Extensions([
      ...extensions,
      extension(ids.subjectKeyIdentifier, false, new SubjectKeyIdentifier(keyIdOf(spki))),
      extension(ids.authorityKeyIdentifier, false, new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdOf(signersKey)) })),
    ]),
  })
  const signatureValue = sign('sha256', Buffer.from(AsnConvert.serialize(tbsCertificate)), signer)
  const der = AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue: bytesOf(signatureValue) }))
  const lines = Buffer.from(der).toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName })
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: ids.commonName, value })])])
}

function extension(id: string, critical: boolean, value: object): Extension {
  return new Extension({ extnID: id, critical, extnValue: new OctetString(AsnConvert.serialize(value)) })
}

/** As RFC 7093 (2) has it: any hash will do, since it only tells keys apart. */
function keyIdOf(spki: Buffer): ArrayBuffer {
  return bytesOf(createHash('sha256').update(spki).digest().subarray(0, 20))
}

function bytesOf(buffer: Buffer): ArrayBuffer {
  return new Uint8Array(buffer).buffer
}
