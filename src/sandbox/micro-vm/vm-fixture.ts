/** The image of a machine for tests: built once a machine and kept in its folder of temporary files, with its snapshots. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOxbowError } from '../../types/index.ts'
import type { Config } from '../../types/index.ts'
import { ownSearchPath } from '../host-programs.ts'
import { buildVmImage } from './vm-image.ts'
import { microVmPrograms } from './qemu-command.ts'

export interface VmFixture {
  /** What makes `makeWorkbench` make a machine. */
  readonly limits: Partial<Config['sandbox']>
  /** Why there is none, and what to install. */
  readonly skip: string | false
}

/** A run takes long, and others, of other versions, may run beside it: none takes away what another one has found at its start. */
const oldImages = 8

/** Downloads a kernel package (27 MB) where none is kept. `OXBOW_TEST_IMAGE` names an image, for machines with KVM: test/rigs/kvm-main.ts. */
export async function vmFixture(): Promise<VmFixture> {
  const folder = join(tmpdir(), `oxbow-test-machines-${process.getuid?.() ?? 0}`)
  const given = process.env['OXBOW_TEST_IMAGE']
  const limitsOf = (image: string): VmFixture['limits'] => ({
    tier: 'micro_vm',
    disk_mb: 256,
    micro_vm: { provider: 'qemu', accel: given === undefined ? 'auto' : 'kvm', image },
  })
  if (given !== undefined) return { limits: limitsOf(given), skip: false }
  const programs = microVmPrograms(ownSearchPath())
  if ('code' in programs) return { limits: limitsOf(''), skip: `${programs.message} ${programs.hint}` }
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const image = await buildVmImage({ folder, extras: [], kernel: null, searchPath: ownSearchPath(), oldImages })
    return { limits: limitsOf(image.folder), skip: false }
  } catch (error) {
    // A build of everything must not pass without it.
    if (!isOxbowError(error, 'sandbox_missing') || process.env['CI'] === 'true') throw error
    return { limits: limitsOf(''), skip: `${error.message} ${error.hint}` }
  }
}
