/** The configuration with which a guest is started, whatever is wrong with the files. */
import { asSentence, isOxbowError, type OxbowError } from '../../base/index.ts'
import { type ConfigOverrides, mergeLayers, readLayers } from './config-layers.ts'
import { fallbackNotice, loadLastGood, safeConfig, safeNotice } from './good-config.ts'
import type { GuestSetup } from '../guest.ts'

/**
 * Takes the last one that worked where the files cannot be used.
 * @param overrides `isSafe`: files that nothing worked with before do not keep it from starting, with no rights
 * @param warn null where the caller says what is wrong
 * @throws OxbowError `bad_config` for the files when nothing has worked yet
 */
export function configToStart(
  place: Pick<GuestSetup, 'home' | 'workspace'>,
  overrides: ConfigOverrides & { readonly isSafe?: boolean | undefined },
  warn: ((text: string) => void) | null,
): Pick<GuestSetup, 'config' | 'isFallback'> {
  try {
    const layers = readLayers(place.home, place.workspace, overrides)
    const config = mergeLayers(layers)
    for (const { unknown } of layers) for (const line of unknown) warn?.(`${asSentence(line)} It has no effect.`)
    return { config }
  } catch (error) {
    const good = isOxbowError(error, 'bad_config') ? loadLastGood(place, overrides) : null
    const config = good ?? (overrides.isSafe === true && isOxbowError(error, 'bad_config') ? safeConfig(place) : null)
    if (config === null) throw error
    const notice = good === null ? safeNotice : fallbackNotice
    warn?.(notice(error as OxbowError))
    return { config, isFallback: true }
  }
}
