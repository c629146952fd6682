/**
 * Who a node is: a certificate of the cluster's authority, which it shows to other nodes and to NATS, and an NKey, by which NATS can tell it from
 * others. Two keys and not one: what a server of NATS has a client sign is a text of its choice, which could be one of TLS.
 *
 * All of it is in the folder `cluster` of the home, which only its owner can enter. The machine that made the cluster has the authority's key, too.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { createUser, fromSeed } from '@nats-io/nkeys'
import { errorMessage, OxbowError, writeWhole } from '../../base/index.ts'
import { type Authority, commonNameOf, issueCertificate, makeAuthority, makeKeyPair } from './certificates.ts'
import { makeSealKey } from './seal-key.ts'

export interface NodeIdentity {
  readonly name: string
  /** PEM: of the node. */
  readonly cert: string
  readonly key: string
  /** PEM: of the authority. */
  readonly ca: string
  /** Of the NKey; the seed is a secret. */
  readonly nkey: string
  readonly seed: string
}

const files = { cert: 'node.crt', key: 'node.key', nextKey: 'node.key.next', ca: 'ca.crt', authority: 'ca.key', seed: 'node.nk' } as const

/** @returns where a home has what it knows of its cluster */
export function trustFolder(homeRoot: string): string {
  return join(homeRoot, 'cluster')
}

/** @returns null: this machine has joined no cluster. @throws OxbowError `bad_config` for files that cannot be used */
export function readIdentity(folder: string): NodeIdentity | null {
  if (!existsSync(join(folder, files.cert))) return null
  try {
    const read = (name: keyof typeof files): string => readFileSync(join(folder, files[name]), 'utf8')
    const [cert, ca, seed] = [read('cert'), read('ca'), read('seed').trim()]
    const certificate = new X509Certificate(cert)
    const authority = new X509Certificate(ca)
    const isKey = (pem: string): boolean => certificate.checkPrivateKey(createPrivateKey(pem))
    // One that was renewed has its next key until the files were changed to the end.
    const next = existsSync(join(folder, files.nextKey)) ? read('nextKey') : ''
    const key = next !== '' && isKey(next) ? next : read('key')
    if (!isKey(key)) throw new Error(`${files.key} is not the key of ${files.cert}`)
    if (!certificate.verify(authority.publicKey)) throw new Error(`${files.cert} is of another cluster than ${files.ca}`)
    return { name: commonNameOf(certificate), cert, key, ca, seed, nkey: fromSeed(new TextEncoder().encode(seed)).getPublicKey() }
  } catch (error) {
    throw new OxbowError('bad_config', `This machine’s certificate for the cluster cannot be used: ${folder} (${errorMessage(error)}).`, {
      hint: 'Move the folder away and join again: oxbow cluster invite on the machine that made the cluster, oxbow cluster join TOKEN here.',
      cause: error,
    })
  }
}

/** @returns null on machines that have not made the cluster */
export function readAuthority(folder: string): Authority | null {
  const path = join(folder, files.authority)
  return existsSync(path) ? { cert: readFileSync(join(folder, files.ca), 'utf8'), key: readFileSync(path, 'utf8') } : null
}

/** What a machine makes for itself, and asks the authority to vouch for. */
export interface NewNode {
  readonly seed: string
  readonly nkey: string
  /** PEM. */
  readonly publicKey: string
  readonly key: string
}

export function makeNode(): NewNode {
  const pair = createUser()
  const { publicKey, privateKey } = makeKeyPair()
  return { seed: new TextDecoder().decode(pair.getSeed()), nkey: pair.getPublicKey(), publicKey, key: privateKey }
}

/** Ended at any moment, it leaves the identity of before, or the new one: the certificate decides which of the two keys counts. */
export function writeIdentity(
  folder: string,
  { seed, key }: Pick<NewNode, 'seed' | 'key'>,
  { cert, ca }: Pick<NodeIdentity, 'cert' | 'ca'>,
): void {
  writeWhole(join(folder, files.seed), `${seed}\n`)
  writeWhole(join(folder, files.nextKey), key)
  writeWhole(join(folder, files.ca), ca)
  writeWhole(join(folder, files.cert), cert)
  renameSync(join(folder, files.nextKey), join(folder, files.key))
}

/** Makes the authority of a cluster, and the node of this machine, where they are missing. @throws OxbowError `bad_config` on a node of another */
export function foundCluster(folder: string, name: string, now: number): NodeIdentity {
  const known = readIdentity(folder)
  if (known !== null && readAuthority(folder) === null)
    throw new OxbowError('bad_config', `This machine is the node ${known.name} of a cluster that another machine has made.`, {
      hint: `Run oxbow cluster init there. To leave that cluster, move ${folder} away.`,
    })
  let authority = readAuthority(folder)
  if (authority === null) {
    authority = makeAuthority(now)
    writeWhole(join(folder, files.ca), authority.cert)
    writeWhole(join(folder, files.authority), authority.key)
  }
  makeSealKey(folder)
  if (known?.name !== name) {
    const made = makeNode()
    writeIdentity(folder, made, { cert: issueCertificate(authority, { name, publicKey: made.publicKey }, now), ca: authority.cert })
  }
  return readIdentity(folder)!
}
