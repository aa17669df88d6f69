// Reads the person's choice from a consent platform that speaks the IAB's TCF: data-consent="tcf".
// https://github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework, version 2

interface TcData {
  eventStatus: "tcloaded" | "cmpuishown" | "useractioncomplete";
  gdprApplies?: boolean;
  tcString: string;
  purposeOneTreatment: boolean;
  purpose: { consents: Record<number, boolean | undefined> };
}

type TcfApi = (
  command: "addEventListener",
  version: 2,
  then: (data: TcData, success: boolean) => void,
) => void;

const page = window as { __tcfapi?: TcfApi };

// As docs/basis.md has it: purpose 1 carries all others. The service decides by the whole string; what
// is read here only says whether there may be an identifier.
function hear(data: TcData, success: boolean): void {
  if (!success || data.eventStatus === "cmpuishown" || !data.tcString) return;
  const { consents } = data.purpose;
  const agreed = (...purposes: number[]): boolean =>
    !!consents[1] && !data.purposeOneTreatment && purposes.some((purpose) => consents[purpose]);
  window.discreet?.consent?.(
    { audience: agreed(8, 9), product: agreed(10), attribution: agreed(7) },
    { method: "tcf", tcString: data.tcString },
  );
}

// The platform may come later than the beacon; its own stub usually stands there first.
function find(left: number): void {
  if (page.__tcfapi) page.__tcfapi("addEventListener", 2, hear);
  else if (left) setTimeout(find, 500, left - 1);
}

find(60);

export {};
