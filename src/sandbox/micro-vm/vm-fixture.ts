/** The image of a machine for tests: built once a machine and kept in its folder of temporary files, with its snapshots. */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isOxbowError } from '../../types/index.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { microVmPrograms } from './machine-programs.ts'
import { imagesName } from './micro-vm-tier.ts'
import { buildVmImage } from './image/vm-image.ts'

export interface VmFixture {
  /** Null when there is none: then `skip` says why, and what to install. */
  readonly imageFolder: string
  readonly skip: string | false
}

/** Downloads a kernel package (27 MB) where none is kept. */
export async function vmFixture(): Promise<VmFixture> {
  const imageFolder = join(tmpdir(), `oxbow-test-images-${process.getuid?.() ?? 0}`)
  const programs = microVmPrograms(ownSearchPath())
  if ('code' in programs) return { imageFolder, skip: `${programs.message} ${programs.hint}` }
  mkdirSync(imageFolder, { recursive: true, mode: 0o700 })
  try {
    await buildVmImage({ folder: join(imageFolder, imagesName), extras: [], kernel: null, searchPath: ownSearchPath() })
    return { imageFolder, skip: false }
  } catch (error) {
    if (!isOxbowError(error, 'sandbox_missing')) throw error
    return { imageFolder, skip: `${error.message} ${error.hint}` }
  }
}
