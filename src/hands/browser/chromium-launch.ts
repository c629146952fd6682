/**
 * Starts Chromium for one agent. Its own sandbox is off: around it stand namespaces, a filter and a control group of ours, which are
 * the wall, and its own would need what the filter refuses. The network namespace has nothing but the relay to the egress proxy;
 * the flags only keep Chromium from trying in vain, and from talking on its own account.
 */
import { lstat, mkdir, rm } from 'node:fs/promises'
import type { BrowserContext, BrowserType } from 'playwright-core'
import { failed } from '../failure.ts'
import { browserStartMs } from '../limits.ts'
import { relayHost, relayPort } from '../relay.ts'

export interface BrowserOptions {
  /** Chromium. */
  readonly program: string
  /** Folder of the package that drives it. */
  readonly driver: string
  /** Folder that holds a folder for each agent; no other profile of hands sees it. */
  readonly profiles: string
  /** `http://127.0.0.1:8118`; no connection is made past it. */
  readonly proxy: string
}

/** Where a tier shows the parts of the browser. */
export function browserAt(program: string): BrowserOptions {
  return { program, driver: '/opt/oxbow/playwright-core', profiles: '/profiles', proxy: `http://${relayHost}:${relayPort}` }
}

export interface Launched {
  readonly context: BrowserContext
  readonly downloads: string
}

/** Where files from pages land, below /tmp, which the other tools see too. */
export const downloadFolder = '/tmp/downloads'
export const pictureFolder = '/tmp/screenshots'

const flags = [
  // What Chromium does on its own account.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--disable-breakpad',
  '--disable-crash-reporter',
  '--no-pings',
  '--disable-extensions',
  // Its updater does not heed the others; this address is refused.
  '--component-updater=url-source=http://127.0.0.1:9/',
  // Ways past an HTTP proxy. None leads anywhere here, and no name is looked up inside.
  '--disable-quic',
  '--dns-prefetch-disable',
  '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
  // Memory and disk.
  '--disable-gpu',
  '--renderer-process-limit=12',
  '--disk-cache-size=67108864',
  '--media-cache-size=16777216',
]

/** @throws `sandbox_missing` when it does not start */
export async function launchChromium(options: BrowserOptions, profile: string): Promise<Launched> {
  const folder = `${options.profiles}/${profile}`
  const downloads = `${folder}/downloads`
  try {
    const chromium = await loadDriver(options)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    // Left by a browser that was killed. Nobody else uses this folder, whatever process has that number now.
    for (const name of ['SingletonLock', 'SingletonSocket', 'SingletonCookie']) await rm(`${folder}/${name}`, { force: true })
    await rm(downloads, { recursive: true, force: true })
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: options.program,
      headless: true,
      chromiumSandbox: false,
      args: flags,
      // Pages open windows when a person's click asks for it, not by themselves.
      ignoreDefaultArgs: ['--disable-popup-blocking'],
      env: { HOME: folder, TMPDIR: folder, XDG_CONFIG_HOME: folder, XDG_CACHE_HOME: folder, PATH: '/usr/bin:/bin', LANG: 'C.UTF-8' },
      proxy: { server: options.proxy, bypass: '<-loopback>' },
      acceptDownloads: true,
      downloadsPath: downloads,
      serviceWorkers: 'block',
      viewport: { width: 1280, height: 800 },
      timeout: browserStartMs,
    })
    return { context, downloads }
  } catch {
    const installed = await lstat(options.program).catch(() => null)
    const why = installed === null ? 'it is not installed' : 'it ended, or did not answer in time'
    throw failed(
      'sandbox_missing',
      `Chromium did not start: ${why}.`,
      'Try again; else: apt-get install chromium, or raise browser.memory_mb.',
    )
  }
}

/** Loaded with the first page: hands that open none do not pay for it. */
async function loadDriver({ driver, profiles }: BrowserOptions): Promise<BrowserType> {
  // While it loads the driver asks for a home and for a place of its own, which must not be where other tools see it.
  Object.assign(process.env, { HOME: profiles, TMPDIR: profiles })
  const entry = `${driver}/index.mjs`
  const { chromium } = (await import(entry)) as { chromium: BrowserType }
  return chromium
}
