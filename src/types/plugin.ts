/**
 * Plugins: programs of others that add actions, providers and the like. Each runs in a process of its own inside a sandbox, its host, and
 * everything that a host sends is hostile input.
 */

/** @returns the name of an action as a call: `weather.get_forecast` for `GET_FORECAST` of weather */
export function actionCallName(plugin: string, action: string): string {
  return `${plugin}.${action.toLowerCase().replaceAll(/[^a-z0-9_-]+/g, '_')}`
}

/** Longest text of a message that a plugin sees, and of what it returns for one. */
export const maxPluginMessageChars = 32_000

/** Says in `lost` how many events a subscriber was not sent; what it needs to know, it reads anew. */
export const resyncEvent = 'RESYNC'

/** @returns the right without which neither an agent nor a person has anything of a plugin */
export function pluginRight(plugin: string): string {
  return `plugin.${plugin}`
}
