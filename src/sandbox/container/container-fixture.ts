/** What tests of the container tier need of this machine: an engine, and an image that is made once and then found. */
import { rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ownSearchPath } from '../host-programs.ts'
import { buildContainerImage } from '../image/container-image.ts'
import type { BuiltImage } from '../image/container-image.ts'
import type { RootExtra } from '../image/root-entries.ts'
import { findEngine } from './container-engine.ts'

/** False where containers can be made; else what to install, as the reason for a test that is skipped. */
export function withoutContainers(kernel: 'runc' | 'gvisor' = 'runc'): string | false {
  const engine = findEngine({ engine: 'podman', kernel }, ownSearchPath())
  return 'code' in engine ? `${engine.message} ${engine.hint}` : false
}

const testInstallation = '000000000000'

/** An image with a real shell, git and ripgrep. Quick when an earlier test has made it. */
export async function testImage(
  engine: 'podman' | 'docker' = 'podman',
  searchPath: string = ownSearchPath(),
  more: readonly RootExtra[] = [],
): Promise<BuiltImage> {
  const workFolder = await mkdtemp(join(tmpdir(), 'oxbow-image-'))
  try {
    const container = { engine, kernel: 'runc', image: '' } as const
    // One installation for all tests of this machine, which removes nothing: the image is built once.
    writeFileSync(join(workFolder, 'installation'), testInstallation)
    return await buildContainerImage({
      container,
      extras: ['ripgrep', 'git', 'bash', ...more],
      searchPath,
      workFolder,
      imageFolder: workFolder,
    })
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
}
