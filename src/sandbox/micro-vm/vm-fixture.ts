/** The image for tests: built once on each host and kept in its temporary folder, with its snapshots. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOxbowError } from '../../base/index.ts'
import type { Config } from '../../config/index.ts'
import { ownSearchPath } from '../host-programs.ts'
import { buildVmImage } from './vm-image.ts'
import { microVmPrograms } from './qemu-command.ts'

export interface VmFixture {
  /** Limits that make `makeWorkbench` use a machine. */
  readonly limits: Partial<Config['sandbox']>
  /** Why there is no image, and what to install. */
  readonly skip: string | false
}

/** Concurrent runs of other versions must not remove each other's images. */
const oldImages = 8

/**
 * Downloads a kernel package (27 MB) unless cached.
 * @param handsEntry the hands of the program that uses it; absent: this process
 *
 * `OXBOW_TEST_IMAGE` names an image, for machines with KVM: test/rigs/kvm-main.ts.
 */
export async function vmFixture(handsEntry?: string): Promise<VmFixture> {
  const folder = join(tmpdir(), `oxbow-test-machines-${process.getuid?.() ?? 0}`)
  const prebuilt = process.env['OXBOW_TEST_IMAGE']
  const limitsOf = (image: string): VmFixture['limits'] => ({
    tier: 'micro_vm',
    disk_mb: 256,
    micro_vm: { provider: 'qemu', accel: prebuilt === undefined ? 'auto' : 'kvm', image },
  })
  if (prebuilt !== undefined) return { limits: limitsOf(prebuilt), skip: false }
  const programs = microVmPrograms(ownSearchPath())
  if ('code' in programs) return { limits: limitsOf(''), skip: `${programs.message} ${programs.hint}` }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const image = await buildVmImage({ folder, extras: [], kernel: null, searchPath: ownSearchPath(), handsEntry, oldImages })
    return { limits: limitsOf(image.folder), skip: false }
  } catch (error) {
    // A CI run must not pass without it.
    if (!isOxbowError(error, 'sandbox_missing') || process.env['CI'] === 'true') throw error
    return { limits: limitsOf(''), skip: `${error.message} ${error.hint}` }
  }
}
