/** The bearer token: made from a cryptographic source, compared without telling by time how much of it was right. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { Random } from '../types/index.ts'
import { tokenBytes } from './limits.ts'

/** @returns 256 random bits as base64url: a secret that only a file of its owner holds. */
export function createToken(random: Random): string {
  return Buffer.from(random.bytes(tokenBytes)).toString('base64url')
}

/** Compares digests, so that neither content nor length of the secret shows in the time it takes. */
export function isSameToken(given: string, secret: string): boolean {
  return timingSafeEqual(digest(given), digest(secret))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
