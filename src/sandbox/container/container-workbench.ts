/** What tests of the container tier need of this machine: an engine, and an image that is made once and then found. */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Config } from '../../types/index.ts'
import { ownSearchPath } from '../bubblewrap/sandbox-tools.ts'
import { buildContainerImage } from '../image/container-image.ts'
import type { BuiltImage } from '../image/container-image.ts'
import { findEngine } from './container-engine.ts'

const settings: Config['sandbox']['container'] = { engine: 'podman', kernel: 'runc', image: '' }

/** False where containers can be made; else what to install, as the reason for a test that is skipped. */
export function withoutContainers(kernel: 'runc' | 'gvisor' = 'runc'): string | false {
  const engine = findEngine({ engine: 'podman', kernel }, ownSearchPath())
  return 'code' in engine ? `${engine.message} ${engine.hint}` : false
}

/** An image with a real shell, git and ripgrep. Quick when an earlier test has made it. */
export async function testImage(): Promise<BuiltImage> {
  const workFolder = await mkdtemp(join(tmpdir(), 'oxbow-image-'))
  try {
    return await buildContainerImage({
      container: settings,
      extras: ['ripgrep', 'git', 'bash'],
      searchPath: ownSearchPath(),
      workFolder,
    })
  } finally {
    rmSync(workFolder, { recursive: true, force: true })
  }
}
