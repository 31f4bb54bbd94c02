#!/bin/sh
# The certificate of HAKAM_DOMAIN, by ACME: asked for, and renewed when a third of its time is left.
# nginx reads the two files at each new connection, so nobody has to tell it that they are new.
set -eu
umask 027
files=/certificates
fetched=$files/acme/live/hakam

if [ -z "$HAKAM_DOMAIN" ] || { [ -e $files/fullchain.pem ] && [ ! -e $fetched ]; }; then
    exec tail -f /dev/null
fi

if [ -n "$HAKAM_ACME_EMAIL" ]; then
    set -- --email "$HAKAM_ACME_EMAIL"
else
    set -- --register-unsafely-without-email
fi
[ -z "$HAKAM_ACME_SERVER" ] || set -- "$@" --server "$HAKAM_ACME_SERVER"
# Who vouches for an authority that only your network knows.
[ ! -e $files/authority.pem ] || export REQUESTS_CA_BUNDLE=$files/authority.pem

# The key first: until the certificate is there nginx asks for neither. Each file is exchanged in one
# step, and the key stays the same from one certificate to the next, so that no connection ever meets
# one that does not fit the other.
hand_over() {
    for name in privkey.pem fullchain.pem; do
        cmp -s $fetched/$name $files/$name || {
            install -m 640 $fetched/$name $files/new.pem && mv $files/new.pem $files/$name
        } || return 1
    done
}

while :; do
    if mkdir -p $files/challenges && certbot certonly "$@" --non-interactive --agree-tos \
        --config-dir $files/acme --work-dir /tmp/work --logs-dir /tmp/logs \
        --webroot --webroot-path $files/challenges \
        --cert-name hakam --domain "$HAKAM_DOMAIN" --keep-until-expiring --reuse-key && hand_over; then
        sleep 43200
    else
        echo "no new certificate for $HAKAM_DOMAIN; asked again in twenty minutes" >&2
        sleep 1200
    fi
done
