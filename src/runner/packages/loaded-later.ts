/** What verbs load when they are used: a start passes over all of it. */
export type PluginsOfHome = typeof import('../plugins/plugin-tools.ts')

/** What the verbs of `oxbow plugin` use. */
export function loadPlugins(): Promise<PluginsOfHome> {
  return import('../plugins/plugin-tools.ts')
}

/** What the verbs of `oxbow servers` use. */
export function loadServerPrograms(): Promise<typeof import('./server-tools.ts')> {
  return import('./server-tools.ts')
}

/** What `oxbow audit verify FILE` uses. */
export function loadArchives(): Promise<typeof import('../heads/archive-files.ts')> {
  return import('../heads/archive-files.ts')
}

/** What `oxbow upgrade` and `oxbow downgrade` use. */
export function loadUpgrade(): Promise<typeof import('../upgrade/upgrade.ts')> {
  return import('../upgrade/upgrade.ts')
}

/** What a program uses that stops guests which have nothing to do. */
export function loadRest(): Promise<typeof import('../daemon/guest-rest.ts')> {
  return import('../daemon/guest-rest.ts')
}
