/** Makes an image for containers, for a person who asks with `oxbow image build`. */
import { join } from 'node:path'
import { buildContainerImage } from '../sandbox/index.ts'
import { type GuestEnvelope, type ImageReport, OxbowError } from '../types/index.ts'

/** @throws OxbowError `sandbox_missing` that says what to install, `sandbox_failed` when the engine refuses the image */
export async function buildImage({ image, config, workspaceRoot }: GuestEnvelope): Promise<ImageReport> {
  if (image === undefined) throw new OxbowError('internal_failure', 'the envelope names no image', { hint: 'Report this.' })
  const begin = performance.now()
  const { container } = config.sandbox
  const built = await buildContainerImage({
    container: { ...container, engine: image.engine ?? container.engine },
    extras: image.extras,
    workFolder: join(workspaceRoot, 'internal', 'image'),
  })
  return { ...built, ms: Math.round(performance.now() - begin) }
}
