/**
 * What Chromium is told by policy (chromeenterprise.google/policies), which pages cannot undo: no addresses but those of the web,
 * no talking on its own account, nothing asked for that a person would have to answer.
 */

/** Where Chromium and Chrome read policies that bind. */
export const policyFiles: readonly string[] = ['/etc/chromium/policies/managed/oxbow.json', '/etc/opt/chrome/policies/managed/oxbow.json']

export const browserPolicy: string = JSON.stringify({
  // Files are those of the sandbox, hands among them; the others are pages of the browser itself. `data:` and `javascript:` are
  // left to pages, which are what they are made for; Chromium does not let them fill a tab.
  URLBlocklist: ['file://*', 'chrome://*', 'chrome-untrusted://*', 'devtools://*', 'view-source:*', 'filesystem:*', 'ftp://*'],
  ExtensionInstallBlocklist: ['*'],
  DeveloperToolsAvailability: 1,
  // Ways out that are none here; without them nothing waits for an answer that cannot come.
  DnsOverHttpsMode: 'off',
  BuiltInDnsClientEnabled: false,
  QuicAllowed: false,
  NetworkPredictionOptions: 2,
  WebRtcIPHandling: 'disable_non_proxied_udp',
  ComponentUpdatesEnabled: false,
  MetricsReportingEnabled: false,
  SafeBrowsingProtectionLevel: 0,
  SearchSuggestEnabled: false,
  TranslateEnabled: false,
  SpellcheckEnabled: false,
  AlternateErrorPagesEnabled: false,
  BackgroundModeEnabled: false,
  SyncDisabled: true,
  BrowserSignin: 0,
  PasswordManagerEnabled: false,
  AutofillAddressEnabled: false,
  AutofillCreditCardEnabled: false,
  // 2: no.
  DefaultGeolocationSetting: 2,
  DefaultNotificationsSetting: 2,
  DefaultSensorsSetting: 2,
  DefaultWebBluetoothGuardSetting: 2,
  DefaultWebUsbGuardSetting: 2,
  DefaultSerialGuardSetting: 2,
  DefaultWebHidGuardSetting: 2,
  DefaultLocalFontsSetting: 2,
  DefaultFileSystemReadGuardSetting: 2,
  DefaultFileSystemWriteGuardSetting: 2,
  DefaultWindowManagementSetting: 2,
  AudioCaptureAllowed: false,
  VideoCaptureAllowed: false,
  ScreenCaptureAllowed: false,
})
