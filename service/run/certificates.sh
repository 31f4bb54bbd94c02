#!/bin/sh
# The certificate of HAKAM_DOMAIN, by ACME: asked for, and renewed when a third of its time is left.
# nginx reads the two files at each new connection, so nobody has to tell it that they are new.
set -eu
umask 027
files=/certificates

if [ -z "$HAKAM_DOMAIN" ] || { [ -e $files/fullchain.pem ] && [ ! -e $files/acme/live/hakam ]; }; then
    exec tail -f /dev/null
fi

if [ -n "$HAKAM_ACME_EMAIL" ]; then
    set -- --email "$HAKAM_ACME_EMAIL"
else
    set -- --register-unsafely-without-email
fi
[ -z "$HAKAM_ACME_SERVER" ] || set -- "$@" --server "$HAKAM_ACME_SERVER"
mkdir -p $files/challenges
while :; do
    # certbot runs the hook where it got a certificate, not where the old one is good enough.
    if certbot certonly "$@" --non-interactive --agree-tos --quiet \
        --config-dir $files/acme --work-dir /tmp/work --logs-dir /tmp/logs \
        --webroot --webroot-path $files/challenges \
        --cert-name hakam --domain "$HAKAM_DOMAIN" --keep-until-expiring \
        --deploy-hook "install -m 640 \$RENEWED_LINEAGE/privkey.pem $files/privkey.pem && \
            install -m 640 \$RENEWED_LINEAGE/fullchain.pem $files/fullchain.pem"; then
        sleep 43200
    else
        echo "no certificate for $HAKAM_DOMAIN yet; asked again in twenty minutes" >&2
        sleep 1200
    fi
done
