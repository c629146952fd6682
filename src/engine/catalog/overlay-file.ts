/**
 * The overlay: what a person says over the catalog, in `catalog/overlay.json` of the home. Providers and models in the shape of
 * models.dev, whole or in part, and beside them `capabilities`:
 *
 *   { "openai": { "models": { "gpt-5": { "limit": { "output": 64000 } } } },
 *     "capabilities": { "provider_defaults": { "ollama": { "supports_tools": true } },
 *                       "overrides": { "openai/gpt-5": { "deprecated": true } } } }
 */
import { readFile, stat } from 'node:fs/promises'
import { OxbowError } from '../../types/index.ts'
import { maxOverlayBytes } from '../limits.ts'
import type { Capabilities, ModelEntry, Overlay } from './catalog-entry.ts'

/** @returns the overlay, or null when there is no file. @throws OxbowError `bad_config` that names each wrong key. */
export async function readOverlay(path: string): Promise<Overlay | null> {
  const text = await readText(path)
  if (text === null) return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw badOverlay(path, `it is not JSON: ${(cause as Error).message}`, cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badOverlay(path, 'it is not an object')
  const { capabilitiesSchema, overlayProviders, wrongKeys } = await import('./catalog-schema.ts')
  const { capabilities = {}, ...providers } = value as Record<string, unknown>
  const said = capabilitiesSchema.safeParse(capabilities)
  if (!said.success) throw badOverlay(path, `in capabilities, ${wrongKeys(said.error)}`)
  const parsed = overlayProviders.safeParse(providers)
  if (!parsed.success) throw badOverlay(path, wrongKeys(parsed.error))
  return { providers: parsed.data, capabilities: said.data }
}

/** @returns the capabilities as a part of an entry in the shape of models.dev. @param below what is known without them */
export function entryOf(said: Capabilities, below: ModelEntry): ModelEntry {
  const context = said.max_context_tokens ?? said.max_input_tokens
  const input = inputOf(said, below)
  return {
    ...(said.supports_tools !== undefined && { tool_call: said.supports_tools }),
    ...(said.supports_json_mode !== undefined && { structured_output: said.supports_json_mode }),
    ...(said.supports_reasoning_traces !== undefined && { reasoning: said.supports_reasoning_traces }),
    ...(said.deprecated !== undefined && { status: said.deprecated ? 'deprecated' : 'active' }),
    ...(input !== null && { modalities: { input } }),
    limit: { ...(context !== undefined && { context }), ...(said.max_output_tokens !== undefined && { output: said.max_output_tokens }) },
  }
}

/** `attachment` alone says that pictures are taken, or that nothing but text is. */
function inputOf({ input_modalities: named, attachment }: Capabilities, below: ModelEntry): readonly string[] | null {
  if (attachment === false) return ['text']
  if (named !== undefined) return named
  const known = below.modalities?.input ?? ['text']
  return attachment === true && !known.includes('image') ? [...known, 'image'] : null
}

async function readText(path: string): Promise<string | null> {
  try {
    if ((await stat(path)).size > maxOverlayBytes) throw badOverlay(path, `it is larger than ${maxOverlayBytes} bytes`)
    return await readFile(path, 'utf8')
  } catch (cause) {
    if (cause instanceof OxbowError) throw cause
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw badOverlay(path, (cause as Error).message, cause)
  }
}

function badOverlay(path: string, what: string, cause?: unknown): OxbowError {
  return new OxbowError('bad_config', `the overlay ${path} cannot be used: ${what}`, {
    hint: 'Mend what is named above; `oxbow catalog verify` checks the file.',
    cause,
  })
}
