/** The part of the configuration that is about versions of Oxbow: where they come from, and when a new one counts as healthy. */
import { z } from 'zod'
import { tighter } from '../walls/config-keys.ts'

export const upgradeConfig = z
  .strictObject({
    source: z
      .string()
      .max(2_000)
      .default('')
      .describe(
        'Folder, or address with https, where `oxbow upgrade` finds packages next to their signed `SHA256SUMS`. Empty: name a file with `--from`.',
      ),
    keys: z
      .array(z.string().regex(/^[A-Za-z0-9+/]{59}=$/, 'must be an Ed25519 public key as SPKI in base64'))
      .max(20)
      .default([])
      .describe('Public keys whose signatures count besides the keys that Oxbow ships: of whoever builds packages for this machine.')
      .meta(tighter('fewer')),
    health_s: z
      .int()
      .min(1)
      .max(3_600)
      .default(30)
      .describe('Seconds that a new version must serve without a fault; otherwise the one before comes back.'),
    drain_s: z
      .int()
      .min(0)
      .max(3_600)
      .default(60)
      .describe('Seconds that open turns get to end before their guest stops; those that take longer go on in the other version.'),
    keep: z.int().min(1).max(100).default(3).describe('Versions that are kept besides the one in use, to go back to.'),
  })
  .prefault({})
